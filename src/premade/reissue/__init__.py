"""Reissue of a QR that was lost or copied."""
