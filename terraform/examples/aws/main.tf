terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100"
    }
  }
}

# Credentials come from the environment, as for the AWS CLI.
provider "aws" {
  region = var.region
}

data "aws_caller_identity" "current" {}

locals {
  # Whoever applies may redrive too. The ARN of a session names its role without the role's path.
  caller_arn  = data.aws_caller_identity.current.arn
  caller_role = try(regex("^(arn:[a-z-]+):sts::([0-9]+):assumed-role/([^/]+)/", local.caller_arn), null)
  redrive_principal_arns = local.caller_role == null ? [local.caller_arn] : [
    for path in ["", "*/"] : "${local.caller_role[0]}:iam::${local.caller_role[1]}:role/${path}${local.caller_role[2]}"
  ]
}

module "pipeline" {
  source = "../.."

  name                = var.name
  project_arn         = var.project_arn
  project_version_arn = var.project_version_arn
  schedule_expression = var.schedule_expression
  schedule_enabled    = var.schedule_enabled
  alarm_emails        = var.alarm_emails

  redrive_principal_arns = local.redrive_principal_arns
}
