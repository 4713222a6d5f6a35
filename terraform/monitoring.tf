locals {
  # With all units that a run may rent: what an abandoned model costs, according to the alarms.
  model_hour_usd = var.inference_unit_hour_usd * var.max_inference_units

  # Days without a reconcile that are too many: two of its intervals, in whole days. null: it is not scheduled, its schedule
  # is not a rate, or CloudWatch cannot look back that far.
  reconcile_rate        = try(regex("^rate\\(([0-9]+) (minute|hour|day)s?\\)$", var.reconcile_schedule_expression), null)
  reconcile_rate_days   = local.reconcile_rate == null ? null : ceil(tonumber(local.reconcile_rate[0]) * { minute = 1, hour = 60, day = 1440 }[local.reconcile_rate[1]] / 1440)
  reconcile_silent_days = var.schedule_enabled && try(local.reconcile_rate_days <= 3, false) ? 2 * local.reconcile_rate_days : null
}

module "monitoring" {
  source = "./modules/monitoring"

  name     = var.name
  place    = local.place
  controls = local.controls

  alarm_topic_arn         = var.alarm_topic_arn
  alarm_topic_kms_key_arn = var.alarm_topic_kms_key_arn
  alarm_ok_enabled        = var.alarm_ok_enabled
  alarm_emails            = var.alarm_emails
  image_age_alarm_hours   = var.image_age_alarm_hours
  project_version_arn     = var.project_version_arn
  model_hour_usd          = local.model_hour_usd

  max_model_hours_per_day    = var.max_model_hours_per_day
  failed_share_alarm_percent = var.failed_share_alarm_percent

  queue_arn                     = module.intake.queue_arn
  dead_letter_queue_arn         = module.intake.dead_letter_queue_arn
  state_machine_arn             = module.workflow.state_machine_arn
  reconcile_state_machine_arn   = module.reconcile.state_machine_arn
  reconcile_schedule_group_name = module.reconcile.schedule_group_name
  reconcile_silent_days         = local.reconcile_silent_days
  analyze_function_name         = module.analyze_image.function_name
  watchdog_function_name        = module.watchdog_function.function_name
  watchdog_schedule_group_name  = module.watchdog.schedule_group_name

  # From the modules, so that the log groups are there before the queries that search them.
  function_names = [
    for function in [
      module.analyze_image, module.check_queue, module.record_run, module.reconcile_function,
      module.start_model, module.stop_model, module.toggle_trigger, module.watchdog_function,
    ] : function.function_name
  ]
  unit_hour_usd     = var.inference_unit_hour_usd
  dashboard_enabled = var.dashboard_enabled

  metrics_namespace = local.metrics_namespace
}
