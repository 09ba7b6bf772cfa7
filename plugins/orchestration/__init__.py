"""The only code that knows Airflow: a use case becomes a DAG, and its tasks call the steps of `include`."""
