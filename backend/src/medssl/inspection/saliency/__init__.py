"""Where a finding's probability comes from, and whether random weights say the same."""
