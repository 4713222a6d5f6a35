# Saved queries are free, and CloudWatch charges for the logs that they read. The alarms name them.
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html
locals {
  log_groups = {
    all      = [for name in var.function_names : "/aws/lambda/${name}"]
    analysis = ["/aws/lambda/${var.analyze_function_name}"]
  }
  queries = {
    "errors" = {
      log_groups = local.log_groups.all
      query      = <<-EOT
        fields @timestamp, service, run_id, coalesce(message, @message) as what, coalesce(reason, exception) as why
        | filter level in ["ERROR", "CRITICAL"] or @message like /Task timed out|Runtime\.ExitError|OutOfMemory/
        | sort @timestamp desc
        | limit 200
      EOT
    }
    "images-not-finished" = {
      log_groups = local.log_groups.analysis
      query      = <<-EOT
        fields @timestamp, image, error_class, reason, attempts, counted_failures, waited_seconds, retry_in_seconds, run_id
        | filter ispresent(error_class)
        | sort @timestamp desc
        | limit 200
      EOT
    }
    "one-run" = {
      log_groups = local.log_groups.all
      query      = <<-EOT
        fields @timestamp, service, level, message, status, action, decision, outcome, reason
        | filter run_id = "PUT THE RUN ID HERE"
        | sort @timestamp asc
        | limit 10000
      EOT
    }
  }
}

resource "aws_cloudwatch_query_definition" "this" {
  for_each = local.queries

  name            = "${var.name}-${each.key}"
  log_group_names = each.value.log_groups
  query_string    = each.value.query
}
