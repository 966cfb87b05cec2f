"""An ensemble: one task trained on every fold but one, as jobs, and their networks together as one model."""
