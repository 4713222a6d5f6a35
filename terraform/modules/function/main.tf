locals {
  # Built from inputs and so known at plan: the plan shows the policies that name this function.
  arn           = "arn:${var.place.partition}:lambda:${var.place.region}:${var.place.account_id}:function:${var.name}"
  log_group_arn = "arn:${var.place.partition}:logs:${var.place.region}:${var.place.account_id}:log-group:/aws/lambda/${var.name}"

  # IAM is global: with the region in the name, the same function can exist in two regions.
  role_name = "${var.name}-${var.place.region}"

  is_file_there  = var.code.file == null ? false : fileexists(var.code.file)
  package_sha256 = local.is_file_there ? filebase64sha256(var.code.file) : ""

  # Relative to where Terraform runs, so that every checkout of the same root has the same path. On another Windows drive
  # no relative path exists.
  here          = split("/", abspath("."))
  there         = var.code.file == null ? [] : split("/", abspath(var.code.file))
  shared_parts  = length([for i, part in local.here : part if try(slice(local.here, 0, i + 1) == slice(local.there, 0, i + 1), false)])
  relative_file = join("/", concat([for part in slice(local.here, local.shared_parts, length(local.here)) : ".."], slice(local.there, local.shared_parts, length(local.there))))
  package_file  = var.code.file == null ? null : local.shared_parts == 0 ? var.code.file : local.relative_file

  is_in_vpc = length(var.controls.vpc_subnet_ids) > 0
  network_interface_actions = [
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
  ]
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/aws/lambda/${var.name}"
  retention_in_days = var.controls.log_retention_days
  kms_key_id        = var.controls.kms_key_arn
  tags              = var.controls.tags
}

# No condition: Lambda assumes an execution role without aws:SourceArn or aws:SourceAccount.
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
  path               = var.controls.iam_path
  description        = "What the function ${var.name} may do."
  assume_role_policy = data.aws_iam_policy_document.trust.json
  tags               = var.controls.tags

  permissions_boundary = var.controls.permissions_boundary_arn
}

data "aws_iam_policy_document" "this" {
  source_policy_documents = [var.policy_json]

  # No logs:CreateLogGroup: Terraform makes the group, and a late invocation must not recreate it after a destroy.
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

  # Lambda creates and deletes network interfaces with the function's role, and requires all resources.
  # https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-permissions
  dynamic "statement" {
    for_each = local.is_in_vpc ? [1] : []

    content {
      sid       = "AttachFunctionToVpc"
      actions   = local.network_interface_actions
      resources = ["*"]
    }
  }

  # From the same page: the function's own code must not make these calls.
  dynamic "statement" {
    for_each = local.is_in_vpc ? [1] : []

    content {
      sid       = "DenyEniCallsFromFunctionCode"
      effect    = "Deny"
      actions   = local.network_interface_actions
      resources = ["*"]

      condition {
        test     = "ArnEquals"
        variable = "lambda:SourceFunctionArn"
        values   = [local.arn]
      }
    }
  }
}

resource "aws_iam_role_policy" "this" {
  name   = var.name
  role   = aws_iam_role.this.id
  policy = data.aws_iam_policy_document.this.json
}

# The zip's path when its bytes last changed. The provider updates a function whose zip moves, although its bytes are the
# same. ignore_changes keeps the old path until other bytes replace this resource.
resource "terraform_data" "package_file" {
  # Never null: terraform_data fails if a value turns out to be null during the apply.
  input            = coalesce(local.package_file, "in package_s3_bucket")
  triggers_replace = local.package_sha256

  lifecycle {
    ignore_changes = [input]
  }
}

resource "aws_lambda_function" "this" {
  function_name = var.name
  description   = var.description
  role          = aws_iam_role.this.arn
  handler       = var.code.handler
  runtime       = var.code.runtime
  architectures = [var.code.architecture]
  timeout       = var.timeout_seconds
  memory_size   = var.memory_mb
  tags          = var.controls.tags

  # The kept path only if the zip is still there, because Terraform may have to recreate the function.
  filename         = var.code.file == null ? null : try(filebase64sha256(terraform_data.package_file.output), "none") == local.package_sha256 ? terraform_data.package_file.output : local.package_file
  source_code_hash = local.is_file_there ? local.package_sha256 : null

  s3_bucket         = var.code.s3_bucket
  s3_key            = var.code.s3_key
  s3_object_version = var.code.s3_object_version

  environment {
    variables = var.environment
  }

  tracing_config {
    mode = "Active"
  }

  dynamic "vpc_config" {
    for_each = local.is_in_vpc ? [1] : []

    content {
      subnet_ids         = var.controls.vpc_subnet_ids
      security_group_ids = var.controls.vpc_security_group_ids
    }
  }

  lifecycle {
    precondition {
      condition     = var.code.file == null || local.is_file_there
      error_message = "${coalesce(var.code.file, "The zip")} not found: run `make package` first, or say where the zips are with package_dir."
    }
  }

  # If the log group is missing at the first invocation, Lambda makes one without retention. And Lambda refuses an event
  # source mapping while the role may not read the queue.
  depends_on = [aws_cloudwatch_log_group.this, aws_iam_role_policy.this, var.change_after]
}
