"""From a source's table to Arrow batches: what is asked, in which picture of the database, and is it exact?"""
