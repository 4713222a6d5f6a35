locals {
  # Put together from inputs and so known at plan: policies that name this function can be read in the plan.
  arn           = "arn:${var.partition}:lambda:${var.region}:${var.account_id}:function:${var.name}"
  log_group_arn = "arn:${var.partition}:logs:${var.region}:${var.account_id}:log-group:/aws/lambda/${var.name}"

  # IAM is global: with the region in it the same function can live in two regions.
  role_name = "${var.name}-${var.region}"
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/aws/lambda/${var.name}"
  retention_in_days = var.log_retention_days
  tags              = var.tags
}

# Lambda assumes an execution role without aws:SourceArn or aws:SourceAccount, so no condition can be put here.
# https://docs.aws.amazon.com/lambda/latest/dg/lambda-intro-execution-role.html
data "aws_iam_policy_document" "trust" {
  statement {
    sid     = "LambdaRunsTheFunction"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "this" {
  name               = local.role_name
  description        = "What the function ${var.name} may do."
  assume_role_policy = data.aws_iam_policy_document.trust.json
  tags               = var.tags
}

data "aws_iam_policy_document" "this" {
  source_policy_documents = [var.policy_json]

  # No logs:CreateLogGroup: the group is Terraform's, and a late invocation must not bring it back after a destroy.
  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${local.log_group_arn}:*"]
  }

  # X-Ray has no resource level for these actions.
  # https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html
  statement {
    sid       = "WriteTraces"
    actions   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
    resources = ["*"]
  }
}

resource "aws_iam_role_policy" "this" {
  name   = var.name
  role   = aws_iam_role.this.id
  policy = data.aws_iam_policy_document.this.json
}

resource "aws_lambda_function" "this" {
  function_name = var.name
  description   = var.description
  role          = aws_iam_role.this.arn
  handler       = var.handler
  runtime       = var.runtime
  architectures = [var.architecture]
  timeout       = var.timeout_seconds
  memory_size   = var.memory_mb
  tags          = var.tags

  filename         = var.package_file
  source_code_hash = fileexists(var.package_file) ? filebase64sha256(var.package_file) : null

  environment {
    variables = var.environment
  }

  tracing_config {
    mode = "Active"
  }

  lifecycle {
    precondition {
      condition     = fileexists(var.package_file)
      error_message = "${var.package_file} not found: run `make package` first, or say where the zips are with package_dir."
    }
  }

  # Lambda makes the log group itself at the first invocation, without retention, if it is not there yet; and an event
  # source mapping is refused for a role that may not read the queue yet.
  depends_on = [aws_cloudwatch_log_group.this, aws_iam_role_policy.this]
}
