terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # From 6.23 on the provider reads a bucket's tags through S3 Control, at a host that begins with the account's number. No
      # such host leads to an emulator. https://github.com/hashicorp/terraform-provider-aws/issues/45292
      version = ">= 5.100, < 6.22"
    }
  }
}

# Invalid keys, and an emulator for every service that the module uses: nothing can reach AWS.
provider "aws" {
  region     = "us-east-1"
  access_key = "test"
  secret_key = "test"

  s3_use_path_style           = true
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_region_validation      = true

  endpoints {
    athena     = var.endpoint
    cloudwatch = var.endpoint
    dynamodb   = var.endpoint
    events     = var.endpoint
    firehose   = var.endpoint
    glue       = var.endpoint
    iam        = var.endpoint
    lambda     = var.endpoint
    logs       = var.endpoint
    s3         = var.endpoint
    s3control  = var.endpoint
    scheduler  = var.endpoint
    sfn        = var.endpoint
    sns        = var.endpoint
    sqs        = var.endpoint
    sts        = var.endpoint
  }
}

data "aws_caller_identity" "current" {}

module "pipeline" {
  source = "../.."

  name                = var.name
  project_arn         = var.project_arn
  project_version_arn = var.project_version_arn
  alarm_emails        = [] # nobody is told by an emulator
  alert_labels        = var.alert_labels
  query_enabled       = var.query_enabled

  # The key "test" is the root user's.
  redrive_principal_arns = ["arn:aws:iam::${data.aws_caller_identity.current.account_id}:root"]

  schedule_expression = var.schedule_expression
  schedule_enabled    = var.schedule_enabled
  lease_seconds       = var.lease_seconds
  max_run_minutes     = var.max_run_minutes
  package_dir         = var.package_dir

  min_inference_units        = var.min_inference_units
  max_inference_units        = var.max_inference_units
  images_per_second_per_unit = var.images_per_second_per_unit
  target_drain_minutes       = var.target_drain_minutes
  min_backlog                = var.min_backlog
  max_wait_minutes           = var.max_wait_minutes
  max_model_hours_per_day    = var.max_model_hours_per_day

  force_destroy = true

  reconcile_schedule_expression = var.reconcile_schedule_expression
}
