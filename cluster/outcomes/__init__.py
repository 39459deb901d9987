"""What came of posts and of whatever else a tenant counts: one table, several readings."""
