"""Exports of the tickets of a batch: for programs, spreadsheets and printers."""
