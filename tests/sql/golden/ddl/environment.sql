-- What these datasets work with: one row, born with the table. A run whose connections say otherwise is refused.
CREATE TABLE IF NOT EXISTS `project.migration.environment` (
  bucket STRING NOT NULL,
  topic_prefix STRING NOT NULL
)
AS SELECT CAST(@bucket AS STRING) AS bucket, CAST(@topic_prefix AS STRING) AS topic_prefix
