"""What is measured of slt itself, study by study (results/), and the programs that make and check these results."""
