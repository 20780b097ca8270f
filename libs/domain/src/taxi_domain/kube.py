"""Names in Kubernetes that the chart, the operator and the tests share."""

from typing import Final

GROUP: Final = "taxi-monitoring.io"
VERSION: Final = "v1alpha1"
KIND: Final = "DriftPolicy"
PLURAL: Final = "driftpolicies"
SINGULAR: Final = "driftpolicy"
SHORT_NAME: Final = "dp"
CATEGORY: Final = "taxi"

#: Field manager of everything that the operator applies on the server's side.
FIELD_MANAGER: Final = "taxi-operator"
#: Set on the predictor's pod template by the operator, never rendered by the chart.
MODEL_VERSION_ANNOTATION: Final = f"{GROUP}/model-version"

COMPONENT_LABEL: Final = "app.kubernetes.io/component"
INSTANCE_LABEL: Final = "app.kubernetes.io/instance"
MANAGED_BY_LABEL: Final = "app.kubernetes.io/managed-by"

POLICY_LABEL: Final = f"{GROUP}/policy"
POLICY_UID_LABEL: Final = f"{GROUP}/policy-uid"
DECISION_LABEL: Final = f"{GROUP}/decision"
ATTEMPT_LABEL: Final = f"{GROUP}/attempt"
#: Decision that a report Job is about; of the labels of retrain Jobs it has the policy alone.
REPORT_LABEL: Final = f"{GROUP}/report-of"
#: Decision whose promotion an observation Job looks at; of the others it has the policy alone, too.
OBSERVATION_LABEL: Final = f"{GROUP}/observation-of"

#: Values of `app.kubernetes.io/component`; `active` is the Service that clients use.
ACTIVE: Final = "active"
PREDICTOR: Final = "predictor"
FALLBACK: Final = "fallback"
MONITOR: Final = "monitor"
OPERATOR: Final = "operator"
MONGODB: Final = "mongodb"
TRAIN: Final = "train"
REPORT: Final = "report"
