"""The section `guardrails` of the configuration, checked against the models beside it."""

from collections.abc import Collection

from deployments.guardrails.spec import GuardrailConfig, ModelRule


class GuardrailArgs(GuardrailConfig):
    """Policies over what goes into models and comes out of them; docs/guides/guardrails.md.

    `policies` by id; those of `default` hold for every tenant, the plans of tenants add others.
    """

    def config(self) -> GuardrailConfig:
        """What the ingress is told."""
        return GuardrailConfig(
            policies=self.policies,
            default=self.default,
            window_characters=self.window_characters,
        )

    def check_models(self, text: Collection[str], moderation: Collection[str]) -> None:
        """Raises ValueError for a rule whose model is not served, or is of the wrong kind."""
        for id, policy in self.policies.items():
            for rule in policy.rules:
                if not isinstance(rule, ModelRule):
                    continue
                known = moderation if rule.question is None else text
                if rule.model not in known:
                    kind = "moderation.models" if rule.question is None else "models"
                    raise ValueError(
                        f"guardrails.policies.{id}: rule '{rule.id}' names model '{rule.model}', "
                        f"which is not among {kind}: {', '.join(sorted(known)) or 'none'}"
                    )
