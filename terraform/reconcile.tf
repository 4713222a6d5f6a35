locals {
  # The longest role is the schedule's, NAME-reconcile-schedule-REGION: 27 + 10 + 10 + 14 = 61 of the 64 that IAM allows.
  reconcile_name = "${var.name}-reconcile"
}

# What Step Functions itself does for the Distributed Map: list the bucket, and write what the batches return.
data "aws_iam_policy_document" "reconcile_workflow" {
  source_policy_documents = [
    data.aws_iam_policy_document.key_use["reconcile_workflow"].json,
    data.aws_iam_policy_document.own_buckets.json,
  ]

  statement {
    sid       = "ListSourceBucket"
    actions   = ["s3:ListBucket"]
    resources = [local.source_bucket_arn]

    # It only lists by prefix.
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
    max_concurrency        = var.reconcile_max_concurrency
  })

  function_arns          = [module.reconcile_function.arn]
  policy_json            = data.aws_iam_policy_document.reconcile_workflow.json
  distributed_map_labels = ["bucket", "prefix"] # as in the definition

  # With null the schedule exists and does not fire, because a schedule must have an expression.
  schedule_expression = coalesce(var.reconcile_schedule_expression, "rate(1 day)")
  schedule_timezone   = var.schedule_timezone
  schedule_enabled    = var.schedule_enabled && var.reconcile_schedule_expression != null
}
