"""What is measured, as ratios against something named in the same run."""
