"""What things are: values, the language, rules, events. No input or output, no clock."""
