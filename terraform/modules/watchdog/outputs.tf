output "schedule_arn" {
  description = "ARN of the schedule that calls the watchdog every minute."
  value       = module.schedule.arn
}

output "schedule_group_name" {
  description = "Name of the schedule's group. CloudWatch counts failed deliveries by it."
  value       = module.schedule.group_name
}
