"""From estimates to scores and tables. Knows arrays and files, no framework."""
