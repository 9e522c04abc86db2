"""The tickets of a batch, to take away: for a program, a spreadsheet or a printer."""
