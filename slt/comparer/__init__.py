"""SGD's transitions beside the posterior's: matched by pair of phases, judged by stated rules, and stated in
sentences.

Knows the rules of the verdicts (`verdicts`), the evidence on each pair of phases or of families, the sentences that
state it, `summary.json`, and the table of a sweep's verdicts. Must not know how records are made or stored, and must
never put steps and n on one scale. Nothing here is drawn: that is `slt.report`.
"""
