"""What a person looks at: figures, tables, and one page with its script, made from records alone.

Knows colors, layout and wording, and which part of the records each figure shows; the same records always give the
same bytes. Must not run a learner, find a transition or decide a verdict: it shows what `slt.transitions` and
`slt.comparer` have found. Figures can be made one by one: each is a function of `ReportInputs` and a palette.
"""
