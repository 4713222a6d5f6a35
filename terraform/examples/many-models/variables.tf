variable "region" {
  description = "Region of the model and of everything else."
  type        = string
  default     = "us-east-1"
  nullable    = false
}

variable "name" {
  description = "Prefix of every resource's name."
  type        = string
  default     = "vision"
  nullable    = false
}

variable "models" {
  description = "The models, by a name of at least two letters that is also their folder in the bucket. Give each its own time, because an account may run two models at once by default."
  type = map(object({
    project_arn         = string
    project_version_arn = string
    schedule_expression = string
  }))
  nullable = false

  validation {
    condition     = length(var.models) > 0 && alltrue([for name in keys(var.models) : can(regex("^[a-z][a-z0-9]{1,9}$", name))])
    error_message = "models must hold one model or more, each under a name of 2 to 10 lower-case letters and digits."
  }
}
