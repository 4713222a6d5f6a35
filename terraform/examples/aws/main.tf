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

module "pipeline" {
  source = "../.."

  name                = var.name
  project_arn         = var.project_arn
  project_version_arn = var.project_version_arn
  schedule_expression = var.schedule_expression
  schedule_enabled    = var.schedule_enabled
  alarm_emails        = var.alarm_emails
}
