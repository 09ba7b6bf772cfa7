"""Which points of our code are watched in a task's process? (see `dying` for what happens there)

Python imports this at its start, because this folder is on its path. The code under test knows nothing of it.
"""

from __future__ import annotations

import os

if os.environ.get("KILL_POINTS"):
    import at_extract
    import at_load_and_merge
    import at_publish
    import between_verbs
    import trying_again
    from wrapt import register_post_import_hook

    for module, hooks in {
        "include.stage.parquet": (at_extract.small_parts, at_extract.between_parts),
        "include.stage.log": (at_extract.around_the_log_entry,),
        "include.clients.sql_server": (at_extract.during_a_read,),
        "include.clients.cloud_storage": (at_extract.during_an_upload,),
        "google.cloud.bigquery": (at_load_and_merge.during_a_load,),
        "include.clients.big_query": (at_load_and_merge.before_the_commit, at_load_and_merge.after_the_commit),
        "include.clients.kafka": (at_publish.around_the_commit,),
        "include.clients.schema_registry": (at_publish.before_the_lookup,),
        "include.steps.publish_entity": (at_publish.small_transactions,),
        "orchestration.tasks": (between_verbs.after_a_step,),
        "orchestration.use_case_dag": (trying_again.soon,),
    }.items():
        for hook in hooks:
            register_post_import_hook(hook, module)
