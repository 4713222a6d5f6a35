locals {
  # dashboard.json is plain JSON. The alarms are a list, and so are added here.
  dashboard = jsondecode(templatefile("${path.module}/dashboard.json", {
    name              = var.name
    region            = var.place.region
    namespace         = var.metrics_namespace
    queue             = local.queue_name
    dead_letter_queue = local.dead_letter_queue_name
    state_machine_arn = var.state_machine_arn
    analyze_function  = var.analyze_function_name
    unit_hour_usd     = var.unit_hour_usd
  }))
  alarm_widget = {
    type   = "alarm"
    x      = 0
    y      = 0
    width  = 24
    height = 3
    properties = {
      title  = "Alarms of ${var.name}"
      alarms = [for name in values(local.alarm_names) : "arn:${var.place.partition}:cloudwatch:${local.arn_middle}:alarm:${name}"]
    }
  }
}

# The first three dashboards of an account are free, and each further one costs US$3 a month: so only on request.
# https://aws.amazon.com/cloudwatch/pricing/
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
resource "aws_cloudwatch_dashboard" "this" {
  count = var.dashboard_enabled ? 1 : 0

  dashboard_name = "${var.name}-overview"
  dashboard_body = jsonencode({ widgets = concat([local.alarm_widget], local.dashboard.widgets) })
}
