"""Jobs: the steps that submit and follow them."""
