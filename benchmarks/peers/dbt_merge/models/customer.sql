{{ config(materialized='incremental', incremental_strategy='merge', unique_key='id') }}
SELECT * FROM {{ env_var("BENCH_ROWS") }}
