variable "region" {
  description = "Region of the model and of everything else."
  type        = string
  default     = "us-east-1"
  nullable    = false
}

variable "name" {
  description = "Prefix of every resource's name."
  type        = string
  default     = "labels"
  nullable    = false
}

variable "project_arn" {
  description = "ARN of the Custom Labels project."
  type        = string
  nullable    = false
}

variable "project_version_arn" {
  description = "ARN of the trained model."
  type        = string
  nullable    = false
}
