"""What a stage does with rows: in the total order through its steps."""
