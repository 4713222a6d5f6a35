output "source_bucket_name" {
  description = "Bucket to upload images to."
  value       = module.pipeline.source_bucket_name
}

output "final_bucket_name" {
  description = "Bucket with the labelled images, their results, the failures and the receipts."
  value       = module.pipeline.final_bucket_name
}

output "queue_url" {
  description = "URL of the queue of images that wait."
  value       = module.pipeline.queue_url
}

output "dead_letter_queue_url" {
  description = "URL of the queue of images that were tried too often."
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
  description = "UUID of the trigger that the workflow switches on and off."
  value       = module.pipeline.event_source_mapping_uuid
}

output "analyze_function_name" {
  description = "Name of the function that labels the images."
  value       = module.pipeline.analyze_function_name
}

output "watchdog_function_name" {
  description = "Name of the function that stops a model which a run left behind."
  value       = module.pipeline.watchdog_function_name
}

output "alarm_topic_arn" {
  description = "ARN of the SNS topic that the alarms go to; subscribe to it to hear of them."
  value       = module.pipeline.alarm_topic_arn
}

output "max_model_usd_per_day" {
  description = "What the model may cost on a day at the most, in US dollars; null without max_model_hours_per_day."
  value       = module.pipeline.max_model_usd_per_day
}

output "runs_table_name" {
  description = "Name of the table with the model's lease and the runs."
  value       = module.pipeline.runs_table_name
}

output "reconcile_state_machine_arn" {
  description = "ARN of the workflow that finds images without a message, to start a backfill by hand."
  value       = module.pipeline.reconcile_state_machine_arn
}
