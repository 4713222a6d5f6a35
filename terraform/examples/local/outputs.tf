output "source_bucket_name" {
  description = "Bucket to upload images to."
  value       = module.pipeline.source_bucket_name
}

output "final_bucket_name" {
  description = "Bucket with the labelled images, their results, the failures and the receipts."
  value       = module.pipeline.final_bucket_name
}

output "queue_url" {
  description = "URL of the image queue."
  value       = module.pipeline.queue_url
}

output "dead_letter_queue_url" {
  description = "URL of the dead-letter queue."
  value       = module.pipeline.dead_letter_queue_url
}

output "state_machine_arn" {
  description = "ARN of the workflow, to start a run by hand."
  value       = module.pipeline.state_machine_arn
}

output "schedule_arn" {
  description = "ARN of the schedule that starts the workflow."
  value       = module.pipeline.schedule_arn
}

output "event_source_mapping_uuid" {
  description = "UUID of the trigger, the event source mapping that the workflow enables and disables."
  value       = module.pipeline.event_source_mapping_uuid
}

output "analyze_function_name" {
  description = "Name of the function that labels the images."
  value       = module.pipeline.analyze_function_name
}

output "watchdog_function_name" {
  description = "Name of the watchdog function, which stops the model of a dead run."
  value       = module.pipeline.watchdog_function_name
}

output "alarm_topic_arn" {
  description = "ARN of the SNS topic that the alarms go to. Subscribe to it."
  value       = module.pipeline.alarm_topic_arn
}

output "max_model_usd_per_day" {
  description = "The most that the model may cost per day in US dollars. null without max_model_hours_per_day."
  value       = module.pipeline.max_model_usd_per_day
}

output "runs_table_name" {
  description = "Name of the table with the model's lease and the runs."
  value       = module.pipeline.runs_table_name
}

output "reconcile_state_machine_arn" {
  description = "ARN of the reconcile's workflow, which finds images without a message. Use it to start a backfill by hand."
  value       = module.pipeline.reconcile_state_machine_arn
}

output "query_workgroup_name" {
  description = "Name of the Athena workgroup with the named queries. null without query_enabled."
  value       = module.pipeline.query_workgroup_name
}
