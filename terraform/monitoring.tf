locals {
  # With all units that a run may rent: what an abandoned model costs, according to the alarms.
  model_hour_usd = var.inference_unit_hour_usd * var.max_inference_units
}

module "monitoring" {
  source = "./modules/monitoring"

  name     = var.name
  place    = local.place
  controls = local.controls

  alarm_topic_arn         = var.alarm_topic_arn
  alarm_topic_kms_key_arn = var.alarm_topic_kms_key_arn
  image_age_alarm_hours   = var.image_age_alarm_hours
  project_version_arn     = var.project_version_arn
  model_hour_usd          = local.model_hour_usd

  max_model_hours_per_day = var.max_model_hours_per_day

  queue_arn                    = module.intake.queue_arn
  dead_letter_queue_arn        = module.intake.dead_letter_queue_arn
  state_machine_arn            = module.workflow.state_machine_arn
  watchdog_function_name       = module.watchdog_function.function_name
  watchdog_schedule_group_name = module.watchdog.schedule_group_name

  metrics_namespace = local.metrics_namespace
}
