"""From somebody's file to items: read rows, map their columns, shape each row into an item. Pure: nothing here
writes to the database (services/import_runs.py does); nothing here crashes on a bad file, it says what is wrong
and where."""
