"""What follows from a judgement: ordered pairs and ranks. Pure: stored values in, values out; nothing here reads the
database, and every derived fact names the rule that it follows from."""
