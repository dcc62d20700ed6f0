"""What a person reads: figures and one self-contained page, from stored records alone."""
