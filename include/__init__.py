"""The verbs of the mission in plain Python: extract, stage, merge, publish. Airflow is not known here."""
