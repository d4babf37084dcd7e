"""What things cost, side by side in one run. `./run bench [NAME]` runs one, or all."""
