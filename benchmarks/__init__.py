"""What logging an error costs, against others, as ratios within one run."""
