output "source_bucket_name" {
  description = "Bucket to upload images to, below source_prefix."
  value       = local.source_bucket_name
}

output "final_bucket_name" {
  description = "Bucket with the labelled images, their results, the failures and the receipts."
  value       = local.final_bucket_name
}

output "source_notification" {
  description = "With source_events \"external\": what to add to the bucket's notification configuration, as JSON in the format of S3's API. null otherwise."
  value       = module.intake.source_notification
}

output "queue_policy_json" {
  description = "Policy of the image queue: only the bucket, or the EventBridge rule, may send."
  value       = module.intake.queue_policy_json
}

output "queue_url" {
  description = "URL of the image queue."
  value       = module.intake.queue_url
}

output "dead_letter_queue_url" {
  description = "URL of the dead-letter queue: images that failed repeatedly, and messages that are not image uploads."
  value       = module.intake.dead_letter_queue_url
}

output "state_machine_arn" {
  description = "ARN of the workflow, to start a run by hand."
  value       = module.workflow.state_machine_arn
}

output "schedule_arn" {
  description = "ARN of the schedule that starts the workflow."
  value       = module.workflow.schedule_arn
}

output "event_source_mapping_uuid" {
  description = "UUID of the trigger, the event source mapping that the workflow enables and disables."
  value       = aws_lambda_event_source_mapping.analyze_image.uuid
}

output "analyze_function_name" {
  description = "Name of the function that labels the images."
  value       = module.analyze_image.function_name
}

output "watchdog_function_name" {
  description = "Name of the watchdog function, which stops the model of a dead run."
  value       = module.watchdog_function.function_name
}

output "alarm_topic_arn" {
  description = "ARN of the SNS topic that the alarms go to. Subscribe to it."
  value       = module.monitoring.alarm_topic_arn
}

output "max_model_usd_per_day" {
  description = "The most that the model may cost per day in US dollars. null without max_model_hours_per_day."
  value       = var.max_model_hours_per_day == null ? null : var.max_model_hours_per_day * local.model_hour_usd
}

output "runs_table_name" {
  description = "Name of the table with the model's lease and the runs."
  value       = aws_dynamodb_table.run.name
}

output "reconcile_state_machine_arn" {
  description = "ARN of the reconcile's workflow, which finds images without a message. Use it to start a backfill by hand."
  value       = module.reconcile.state_machine_arn
}

output "kms_key_policy_json" {
  description = "Statements that S3 or EventBridge and CloudWatch Logs need in the policy of kms_key_arn: a policy document to add to your own statements."
  value       = data.aws_iam_policy_document.key.json
}

output "alarm_topic_kms_key_policy_json" {
  description = "Statement that CloudWatch needs in the policy of alarm_topic_kms_key_arn: a policy document to add to your own statements."
  value       = data.aws_iam_policy_document.alarm_topic_key.json
}

output "query_workgroup_name" {
  description = "Name of the Athena workgroup with the named queries. null without query_enabled."
  value       = one(module.query[*].workgroup_name)
}

output "query_database_name" {
  description = "Name of the Glue database with the table and the views of the results. null without query_enabled."
  value       = one(module.query[*].database_name)
}
