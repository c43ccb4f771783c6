"""What better hardware would be worth: vary the contract, plan everything anew, and price the difference."""
