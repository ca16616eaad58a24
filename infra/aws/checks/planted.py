"""The faults that each check must see: a table of damage, done to a copy of the template.

A check that sees none of its own is not worth having, and `__main__` fails for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from template import Template

Plant = Callable[[Template], None]


@dataclass(frozen=True)
class Planted:
    """A fault: what it is, which check must see it, and how it is made."""

    title: str
    seen_by: str
    plant: Plant


FAULTS: list[Planted] = []


def fault(seen_by: str) -> Callable[[Plant], Plant]:
    """Puts a fault into the table, under its function's name."""

    def keep(plant: Plant) -> Plant:
        FAULTS.append(Planted(plant.__name__.replace("_", " "), seen_by, plant))
        return plant

    return keep


def properties(template: Template, name: str) -> Any:
    return template.resources[name]["Properties"]


def statements(template: Template, role: str) -> Any:
    return properties(template, role)["Policies"][0]["PolicyDocument"]["Statement"]


def statement(template: Template, role: str, sid: str) -> Any:
    return next(each for each in statements(template, role) if each["Sid"] == sid)


def event(template: Template, function: str, name: str) -> Any:
    return properties(template, function)["Events"][name]["Properties"]


# ── permissions ──────────────────────────────────────────────────────────────────────────────────


@fault("actions_are_written_out")
def a_function_may_do_everything_with_the_table(template: Template) -> None:
    statement(template, "OrderApiRole", "OwnItems")["Action"] = ["dynamodb:*"]


@fault("actions_are_written_out")
def a_function_may_do_everything_but(template: Template) -> None:
    statement(template, "OrderApiRole", "Log")["NotAction"] = ["dynamodb:DeleteTable"]


@fault("resources_are_named")
def a_function_reads_every_secret(template: Template) -> None:
    statement(template, "PaymentTasksRole", "ReadGatewayKey")["Resource"] = "*"


@fault("resources_are_named")
def a_function_publishes_on_every_bus_of_the_region(template: Template) -> None:
    arn = "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:event-bus/*"
    statement(template, "OutboxRelayRole", "Publish")["Resource"] = {"Fn::Sub": arn}


@fault("resources_are_named")
def more_is_granted_beside_what_is_listed(template: Template) -> None:
    statement(template, "OrderApiRole", "Trace")["Action"].append("sqs:SendMessage")


@fault("resources_are_named")
def the_pipeline_may_change_every_function(template: Template) -> None:
    narrow = "Resource: !Sub arn:${AWS::Partition}:lambda:"
    before, _, after = template.github.partition(narrow)
    template.github = f'{before}Resource: "*" #{after}'


@fault("resources_are_named")
def the_list_has_an_entry_that_nobody_needs(template: Template) -> None:
    for machine in ("PlaceOrderMachineRole", "CancelOrderMachineRole"):
        statements(template, machine).remove(statement(template, machine, "DeliverLogs"))


@fault("managed_policies_are_listed")
def a_function_is_an_administrator(template: Template) -> None:
    administrator = {"Fn::Sub": "arn:${AWS::Partition}:iam::aws:policy/AdministratorAccess"}
    properties(template, "OrderApiRole")["ManagedPolicyArns"] = [administrator]


@fault("managed_policies_are_listed")
def the_pipeline_is_an_administrator(template: Template) -> None:
    template.github = template.github.replace("policy/PowerUserAccess", "policy/AdministratorAccess")


@fault("managed_policies_are_listed")
def a_policy_is_listed_that_nobody_uses(template: Template) -> None:
    template.github = template.github.replace("ManagedPolicyArns", "PermissionsBoundaries")


@fault("managed_policies_are_listed")
def a_function_has_policies_that_mean_nothing(template: Template) -> None:
    properties(template, "OrderApiFunction")["Policies"] = ["AmazonDynamoDBFullAccess"]


@fault("every_function_has_its_own_role")
def two_functions_share_a_role(template: Template) -> None:
    role = properties(template, "OrderApiFunction")["Role"]
    properties(template, "OrderTasksFunction")["Role"] = role


@fault("every_function_has_its_own_role")
def a_function_has_no_role_of_ours(template: Template) -> None:
    del properties(template, "UserApiFunction")["Role"]


@fault("roles_are_for_one_service")
def an_account_may_take_a_role(template: Template) -> None:
    trust = properties(template, "UserApiRole")["AssumeRolePolicyDocument"]["Statement"][0]
    trust["Principal"] = {"AWS": "123456789012"}


@fault("tables_are_never_scanned")
def a_function_scans_the_table(template: Template) -> None:
    statement(template, "DeskApiRole", "OwnItems")["Action"].append("dynamodb:Scan")


@fault("items_are_kept_apart")
def the_users_function_reaches_payments(template: Template) -> None:
    del statement(template, "UserApiRole", "OwnItems")["Condition"]


@fault("items_are_kept_apart")
def a_leading_key_is_anything(template: Template) -> None:
    condition = statement(template, "UserApiRole", "OwnItems")["Condition"]
    condition["ForAllValues:StringLike"]["dynamodb:LeadingKeys"] = ["*"]


# ── wiring ───────────────────────────────────────────────────────────────────────────────────────


@fault("nothing_is_dropped")
def a_rule_has_no_dead_letter_queue(template: Template) -> None:
    del properties(template, "SagaStartsRule")["Targets"][0]["DeadLetterConfig"]


@fault("nothing_is_dropped")
def a_schedule_has_no_dead_letter_queue(template: Template) -> None:
    del event(template, "DeskEventsFunction", "EveryMinute")["DeadLetterConfig"]


@fault("nothing_is_dropped")
def a_run_that_fails_goes_nowhere(template: Template) -> None:
    del properties(template, "OutboxRelayFunction")["EventInvokeConfig"]["DestinationConfig"]


@fault("nothing_is_dropped")
def the_stream_forgets_what_it_gave_up(template: Template) -> None:
    del event(template, "OutboxRelayFunction", "Outbox")["DestinationConfig"]


@fault("nothing_is_dropped")
def a_queue_has_no_dead_letter_queue(template: Template) -> None:
    del properties(template, "OrderEventsQueue")["RedrivePolicy"]


@fault("nothing_is_dropped")
def dead_letters_are_kept_for_a_day(template: Template) -> None:
    properties(template, "BusDeadLetters")["MessageRetentionPeriod"] = 86_400


@fault("dead_letters_raise_an_alarm")
def dead_letters_have_no_alarm(template: Template) -> None:
    del template.resources["StreamDeadLettersAlarm"]


@fault("dead_letters_raise_an_alarm")
def dead_letters_have_an_alarm_for_a_hundred(template: Template) -> None:
    properties(template, "BusDeadLettersAlarm")["Threshold"] = 100


@fault("alarms_are_heard")
def an_alarm_tells_nobody(template: Template) -> None:
    del properties(template, "ThrottlesAlarm")["AlarmActions"]


@fault("alarms_are_heard")
def a_function_has_no_alarm(template: Template) -> None:
    del template.resources["OrderEventsAlarm"]


@fault("alarms_are_heard")
def a_machine_has_no_alarm(template: Template) -> None:
    del template.resources["PlaceOrderFailuresAlarm"]


@fault("logs_come_to_an_end")
def a_log_is_kept_for_ever(template: Template) -> None:
    del properties(template, "OrderApiLogs")["RetentionInDays"]


@fault("logs_come_to_an_end")
def a_function_logs_where_it_likes(template: Template) -> None:
    del properties(template, "OrderApiFunction")["LoggingConfig"]


@fault("logs_come_to_an_end")
def card_tokens_are_logged(template: Template) -> None:
    properties(template, "PlaceOrderMachine")["Logging"]["IncludeExecutionData"] = True


@fault("secrets_are_not_in_variables")
def the_gateways_key_is_in_a_variable(template: Template) -> None:
    variables = properties(template, "PaymentTasksFunction")["Environment"]["Variables"]
    variables["ORDERSAGA_GATEWAY_SECRET"] = "sk_live_0123456789"


@fault("secrets_are_not_in_variables")
def cloudformation_puts_the_key_into_a_variable(template: Template) -> None:
    variables = properties(template, "PaymentTasksFunction")["Environment"]["Variables"]
    variables["ORDERSAGA_GATEWAY_KEY"] = {"Fn::Sub": "{{resolve:secretsmanager:${GatewayKey}}}"}


@fault("secrets_are_not_in_variables")
def the_gateways_key_is_a_parameter(template: Template) -> None:
    template.written["Parameters"]["GatewayKeyValue"] = {"Type": "String", "NoEcho": True}


@fault("secrets_are_not_in_variables")
def the_gateways_key_is_in_the_template(template: Template) -> None:
    properties(template, "GatewayKey")["SecretString"] = "sk_live_0123456789"


@fault("routes_are_guarded")
def a_route_asks_for_no_token(template: Template) -> None:
    event(template, "OrderApiFunction", "PlaceOrder")["Auth"] = {"Authorizer": "NONE"}


@fault("routes_are_guarded")
def a_route_asks_for_no_scope(template: Template) -> None:
    del event(template, "OrderApiFunction", "PlaceOrder")["Auth"]


@fault("routes_are_guarded")
def a_route_asks_for_a_scope_that_nobody_has(template: Template) -> None:
    auth = event(template, "OrderApiFunction", "PlaceOrder")["Auth"]
    auth["AuthorizationScopes"] = ["ordersaga/order"]


@fault("routes_are_guarded")
def a_route_catches_all(template: Template) -> None:
    event(template, "OrderApiFunction", "PlaceOrder")["Path"] = "/v1/{proxy+}"


@fault("routes_are_guarded")
def the_api_has_no_throttle(template: Template) -> None:
    del properties(template, "HttpApi")["DefaultRouteSettings"]


@fault("time_is_enough")
def a_function_takes_longer_than_the_api_waits(template: Template) -> None:
    properties(template, "OrderApiFunction")["Timeout"] = 60


@fault("time_is_enough")
def a_queue_shows_a_message_again_too_early(template: Template) -> None:
    properties(template, "OrderEventsQueue")["VisibilityTimeout"] = 30


@fault("time_is_enough")
def a_task_takes_longer_than_the_machine_waits(template: Template) -> None:
    properties(template, "PaymentTasksFunction")["Timeout"] = 180


@fault("batches_are_answered_in_part")
def one_failure_fails_the_batch_of_a_queue(template: Template) -> None:
    del event(template, "OrderEventsFunction", "Orders")["FunctionResponseTypes"]


@fault("batches_are_answered_in_part")
def one_failure_fails_the_batch_of_the_stream(template: Template) -> None:
    del event(template, "OutboxRelayFunction", "Outbox")["FunctionResponseTypes"]


@fault("batches_are_answered_in_part")
def a_bad_record_holds_up_its_shard(template: Template) -> None:
    event(template, "OutboxRelayFunction", "Outbox")["MaximumRetryAttempts"] = -1


@fault("batches_are_answered_in_part")
def events_of_one_aggregate_overtake_each_other(template: Template) -> None:
    event(template, "OutboxRelayFunction", "Outbox")["ParallelizationFactor"] = 10


@fault("the_table_is_safe")
def the_table_cannot_be_restored(template: Template) -> None:
    del properties(template, "Table")["PointInTimeRecoverySpecification"]


@fault("the_table_is_safe")
def the_table_goes_with_the_stack(template: Template) -> None:
    template.resources["Table"]["DeletionPolicy"] = "Delete"


@fault("versions_take_over_step_by_step")
def no_alarm_watches_a_new_version(template: Template) -> None:
    del properties(template, "OrderApiFunction")["DeploymentPreference"]["Alarms"]


@fault("versions_take_over_step_by_step")
def a_machine_calls_what_is_newest(template: Template) -> None:
    substitutions = properties(template, "PlaceOrderMachine")["DefinitionSubstitutions"]
    substitutions["OrderFunction"] = {"Fn::GetAtt": ["OrderTasksFunction", "Arn"]}


@fault("versions_take_over_step_by_step")
def a_function_has_no_alias(template: Template) -> None:
    del template.written["Globals"]["Function"]["AutoPublishAlias"]


@fault("versions_take_over_step_by_step")
def a_function_keeps_the_settings_of_its_old_version(template: Template) -> None:
    del properties(template, "PaymentTasksFunction")["AutoPublishCodeSha256"]


@fault("queues_take_from_our_rules_alone")
def everybody_may_send_into_a_queue(template: Template) -> None:
    policy = properties(template, "OrderEventsQueuePolicy")["PolicyDocument"]["Statement"][0]
    policy["Principal"] = "*"


@fault("queues_take_from_our_rules_alone")
def every_rule_may_send_into_a_queue(template: Template) -> None:
    policy = properties(template, "OrderEventsQueuePolicy")["PolicyDocument"]["Statement"][0]
    del policy["Condition"]


@fault("metrics_are_counted")
def an_alarm_watches_what_nobody_counts(template: Template) -> None:
    properties(template, "BreakerOpenAlarm")["MetricName"] = "ordersaga_breaker_open"


# ── definitions ──────────────────────────────────────────────────────────────────────────────────


@fault("substitutions_fit")
def a_placeholder_is_left_in_a_machine(template: Template) -> None:
    del properties(template, "PlaceOrderMachine")["DefinitionSubstitutions"]["DeskFunction"]


@fault("substitutions_fit")
def a_substitution_is_misspelled(template: Template) -> None:
    substitutions = properties(template, "PlaceOrderMachine")["DefinitionSubstitutions"]
    substitutions["OrdersFunction"] = substitutions["OrderFunction"]


@fault("machines_may_call_what_they_call")
def a_machine_may_not_call_a_function_of_its_own(template: Template) -> None:
    del statement(template, "PlaceOrderMachineRole", "CallTasks")["Resource"][0]


@fault("machines_may_call_what_they_call")
def a_machine_may_call_a_function_that_it_does_not(template: Template) -> None:
    granted = statement(template, "PlaceOrderMachineRole", "CallTasks")["Resource"]
    granted.append({"Ref": "OutboxRelayFunction.Alias"})


# A real file with a state that leads nowhere; the checker is what judges it.
BROKEN = "checks/samples/broken.asl.json"


@fault("machines_are_sound")
def a_state_leads_nowhere(template: Template) -> None:
    properties(template, "CancelOrderMachine")["DefinitionUri"] = BROKEN


@fault("a_second_opinion_agrees")
def a_state_leads_nowhere_for_the_second_opinion_too(template: Template) -> None:
    properties(template, "CancelOrderMachine")["DefinitionUri"] = BROKEN


@fault("patterns_are_sound")
def a_pattern_has_a_text_where_a_list_belongs(template: Template) -> None:
    properties(template, "SagaStartsRule")["EventPattern"]["source"] = "ordersaga.order"


@fault("patterns_are_sound")
def a_filter_has_an_unknown_operator(template: Template) -> None:
    pattern = '{"eventName":[{"begins":"INS"}]}'
    filters = event(template, "OutboxRelayFunction", "Outbox")["FilterCriteria"]["Filters"]
    filters[0]["Pattern"] = pattern


# ── AWS's own tools ──────────────────────────────────────────────────────────────────────────────


@fault("cfn_lint_is_content")
def a_property_is_misspelled(template: Template) -> None:
    properties(template, "Table")["BilingMode"] = "PAY_PER_REQUEST"


@fault("cfn_lint_is_content_after_the_transform")
def a_reference_leads_nowhere(template: Template) -> None:
    properties(template, "SagaStartsRule")["EventBusName"] = {"Ref": "Buss"}


@fault("sam_validates")
def a_timeout_is_no_number(template: Template) -> None:
    properties(template, "OrderEventsFunction")["Timeout"] = "long"


# ── workflows ────────────────────────────────────────────────────────────────────────────────────


@fault("workflows_are_sound")
def a_job_waits_for_one_that_there_is_not(template: Template) -> None:
    text = template.workflows["deploy.yml"]
    template.workflows["deploy.yml"] = text.replace("needs: deploy", "needs: deployment")


@fault("nobody_keeps_a_key_of_aws")
def a_workflow_keeps_a_key_of_aws(template: Template) -> None:
    text = template.workflows["deploy.yml"]
    template.workflows["deploy.yml"] = text + "# ${{ secrets.AWS_SECRET_ACCESS_KEY }}\n"


@fault("nobody_keeps_a_key_of_aws")
def a_job_deploys_outside_any_environment(template: Template) -> None:
    text = template.workflows["deploy.yml"]
    template.workflows["deploy.yml"] = text.replace("environment: ${{ inputs.stage }}", "env: {}")


@fault("what_trusts_the_workflows_is_sound")
def every_branch_of_the_repository_may_deploy(template: Template) -> None:
    template.github = template.github.replace(":environment:${Stage}", ":*")
