# The image of every Airflow component: the official one, our locked packages, our four folders.
FROM apache/airflow:3.3.2-python3.13

# Microsoft's SQL Server driver needs these at run time; without libltdl it only says "Failed to load the driver".
USER root
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libltdl7 libkrb5-3 libgssapi-krb5-2 \
    && rm -rf /var/lib/apt/lists/*

USER airflow
COPY requirements.txt /opt/airflow/requirements.txt
RUN pip install --no-cache-dir --require-hashes --only-binary :all: --requirement /opt/airflow/requirements.txt

COPY --chown=airflow:0 dags /opt/airflow/dags
COPY --chown=airflow:0 plugins /opt/airflow/plugins
COPY --chown=airflow:0 include /opt/airflow/include
COPY --chown=airflow:0 sql /opt/airflow/sql

# `include` and `orchestration` are imported from here in every component, whatever its working directory. Arrow's own
# allocator keeps some 15 MiB more of each task's memory than the system's; an arena for every thread keeps 30 more.
ENV PYTHONPATH=/opt/airflow:/opt/airflow/plugins \
    AIRFLOW__CORE__DAG_DISCOVERY_SAFE_MODE=False \
    AIRFLOW__CORE__AUTH_MANAGER=airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager \
    AIRFLOW__CORE__LOAD_EXAMPLES=False \
    AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL=1 \
    ARROW_DEFAULT_MEMORY_POOL=system \
    MALLOC_ARENA_MAX=2
