"""How does CDC number what happens to a row?"""

DELETED, INSERTED, BEFORE, AFTER = 1, 2, 3, 4
