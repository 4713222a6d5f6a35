locals {
  # The longest role is the schedule's, NAME-reconcile-schedule-REGION: 27 + 10 + 10 + 14 = 61 of the 64 that IAM allows.
  reconcile_name = "${var.name}-reconcile"
}

# What Step Functions itself does for the Distributed Map: it lists the bucket, and writes what the batches return.
data "aws_iam_policy_document" "reconcile_workflow" {
  source_policy_documents = [data.aws_iam_policy_document.key_use["reconcile_workflow"].json]

  statement {
    sid       = "ListSourceBucket"
    actions   = ["s3:ListBucket"]
    resources = [local.source_bucket_arn]

    # It lists by prefix and does nothing else. The functions' own statements have no such condition: they are there
    # for S3 to answer 404 for an object that is gone, and those requests have no prefix.
    dynamic "condition" {
      for_each = var.source_prefix == "" ? [] : [1]

      content {
        test     = "StringLike"
        variable = "s3:prefix"
        values   = ["${var.source_prefix}*"]
      }
    }
  }

  # https://docs.aws.amazon.com/step-functions/latest/dg/input-output-resultwriter.html#resultwriter-iam-policies
  statement {
    sid = "WriteBatchResults"
    actions = [
      "s3:AbortMultipartUpload",
      "s3:GetObject",
      "s3:ListMultipartUploadParts",
      "s3:PutObject",
    ]
    resources = ["${local.final_folder_arns["reconcile"]}/*"]
  }
}

module "reconcile" {
  source = "./modules/workflow"

  name     = local.reconcile_name
  place    = local.place
  controls = local.controls

  definition = templatefile("${path.module}/statemachines/reconcile.asl.json", {
    partition              = local.partition
    reconcile_function_arn = module.reconcile_function.arn
    source_bucket_name     = local.source_bucket_name
    final_bucket_name      = local.final_bucket_name
    final_prefix           = var.final_prefix
  })

  function_arns           = [module.reconcile_function.arn]
  policy_json             = data.aws_iam_policy_document.reconcile_workflow.json
  distributed_map_enabled = true

  # Without an expression of its own the schedule is there and does not fire, as an expression it must have.
  schedule_expression = coalesce(var.reconcile_schedule_expression, "rate(1 day)")
  schedule_timezone   = var.schedule_timezone
  schedule_enabled    = var.schedule_enabled && var.reconcile_schedule_expression != null
}
