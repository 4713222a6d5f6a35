output "schedule_group_name" {
  description = "Name of the schedule's group. CloudWatch counts failed deliveries by it."
  value       = module.schedule.group_name
}
