"""Foundation Ark and Ark+: labels of many datasets accrued in one encoder."""
