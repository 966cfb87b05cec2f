"""What earlier jobs learnt from: their splits, as recorded or drawn again."""
