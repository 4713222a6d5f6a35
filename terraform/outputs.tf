output "source_bucket_name" {
  description = "Bucket to upload images to, below source_prefix."
  value       = local.source_bucket_name
}

output "final_bucket_name" {
  description = "Bucket with the labelled images, their results, the failures and the receipts."
  value       = local.final_bucket_name
}

output "source_notification" {
  description = "With source_events \"external\": what the bucket's owner adds to its notification configuration, as JSON in the words of S3's API; null otherwise."
  value       = module.intake.source_notification
}

output "queue_policy_json" {
  description = "Policy of the queue: exactly the bucket, or the EventBridge rule, may send to it."
  value       = module.intake.queue_policy_json
}

output "queue_url" {
  description = "URL of the queue of images that wait."
  value       = module.intake.queue_url
}

output "dead_letter_queue_url" {
  description = "URL of the queue of images that were tried too often."
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
  description = "UUID of the trigger that the workflow switches on and off."
  value       = aws_lambda_event_source_mapping.analyze_image.uuid
}

output "analyze_function_name" {
  description = "Name of the function that labels the images."
  value       = module.analyze_image.function_name
}

output "watchdog_function_name" {
  description = "Name of the function that stops a model which a run left behind."
  value       = module.watchdog_function.function_name
}

output "alarm_topic_arn" {
  description = "ARN of the SNS topic that the alarms go to; subscribe to it to hear of them."
  value       = module.monitoring.alarm_topic_arn
}

output "max_model_usd_per_day" {
  description = "What the model may cost on a day at the most, in US dollars; null without max_model_hours_per_day."
  value       = var.max_model_hours_per_day == null ? null : var.max_model_hours_per_day * local.model_hour_usd
}

output "runs_table_name" {
  description = "Name of the table with the model's lease and the runs."
  value       = aws_dynamodb_table.run.name
}
