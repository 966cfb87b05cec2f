"""Forms, model choices, errors and signals that all sections use."""
