"""`make bench NAME=…`: each benchmark compares in one run, prints raw figures and ratios, and appends to `results/`."""
