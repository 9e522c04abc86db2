"""What every feature stands on: errors, the transaction, the endpoint. Knows nothing of tickets."""
