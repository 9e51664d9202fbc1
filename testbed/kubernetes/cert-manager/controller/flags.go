package main

import (
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/api/resource"
	logsapi "k8s.io/component-base/logs/api/v1"

	"github.com/cert-manager/cert-manager/pkg/apis/certmanager"
	"github.com/cert-manager/cert-manager/pkg/controller"
	logf "github.com/cert-manager/cert-manager/pkg/logs"
	"github.com/cert-manager/cert-manager/pkg/util"
	utilfeature "github.com/cert-manager/cert-manager/pkg/util/feature"
)

// settings are what a pod is started with. Names of flags and defaults are those of cert-manager's own main.
type settings struct {
	controller.ContextOptions
	logging       logsapi.LoggingConfiguration
	leaderElect   bool
	leaseIn       string
	workers       int
	metricsAt     string
	healthAt      string
	onlyRecursive bool
}

func defaults() *settings {
	told := &settings{leaderElect: true, leaseIn: "kube-system", workers: 5, metricsAt: "0.0.0.0:9402", healthAt: "0.0.0.0:9403"}
	told.logging = *logsapi.NewLoggingConfiguration()
	told.KubernetesAPIQPS, told.KubernetesAPIBurst = 20, 50
	told.ClusterResourceNamespace, told.ClusterIssuerAmbientCredentials = "kube-system", true
	told.MaxConcurrentChallenges = 60
	told.CertificateOptions = controller.CertificateOptions{
		CopiedAnnotationPrefixes:                 []string{"*", "-kubectl.kubernetes.io/", "-fluxcd.io/", "-argocd.argoproj.io/"},
		CertificateRequestMinimumBackoffDuration: time.Hour,
		CertificateRequestMaximumBackoffDuration: 32 * time.Hour,
	}
	told.IngressShimOptions = controller.IngressShimOptions{
		DefaultIssuerKind: "Issuer", DefaultIssuerGroup: certmanager.GroupName,
		DefaultAutoCertificateAnnotations: []string{"kubernetes.io/tls-acme"},
	}
	told.ACMEOptions = controller.ACMEOptions{
		HTTP01SolverImage:                 "quay.io/jetstack/cert-manager-acmesolver:" + util.AppVersion,
		HTTP01SolverResourceRequestCPU:    resource.MustParse("10m"),
		HTTP01SolverResourceRequestMemory: resource.MustParse("64Mi"),
		HTTP01SolverResourceLimitsCPU:     resource.MustParse("100m"),
		HTTP01SolverResourceLimitsMemory:  resource.MustParse("64Mi"),
		ACMEHTTP01SolverRunAsNonRoot:      true,
		DNS01CheckRetryPeriod:             10 * time.Second,
	}
	return told
}

// read takes the flags. What is not known is an error: a setting that is silently left out would be another program.
func (told *settings) read(arguments []string) error {
	set := pflag.NewFlagSet("cert-manager", pflag.ContinueOnError)
	text := func(field *string, name, usage string) { set.StringVar(field, name, *field, usage) }
	truth := func(field *bool, name, usage string) { set.BoolVar(field, name, *field, usage) }
	text(&told.Kubeconfig, "kubeconfig", "kubeconfig; without one, that of the pod")
	text(&told.Namespace, "namespace", "the only namespace that is watched; without one, all")
	text(&told.ClusterResourceNamespace, "cluster-resource-namespace", "where the secrets of ClusterIssuers lie")
	truth(&told.leaderElect, "leader-elect", "work only while leading")
	text(&told.leaseIn, "leader-election-namespace", "where the lease lies")
	text(&told.HTTP01SolverImage, "acme-http01-solver-image", "image that answers HTTP-01 challenges")
	set.StringSliceVar(&told.DNS01Nameservers, "dns01-recursive-nameservers", nil, "HOST:PORT that are asked before a challenge")
	truth(&told.onlyRecursive, "dns01-recursive-nameservers-only", "ask no authoritative name server")
	set.DurationVar(&told.DNS01CheckRetryPeriod, "dns01-check-retry-period", told.DNS01CheckRetryPeriod, "between two looks")
	set.IntVar(&told.MaxConcurrentChallenges, "max-concurrent-challenges", told.MaxConcurrentChallenges, "at one time")
	set.IntVar(&told.workers, "concurrent-workers", told.workers, "of each controller")
	text(&told.metricsAt, "metrics-listen-address", "HOST:PORT of the metrics")
	text(&told.healthAt, "internal-healthz-listen-address", "HOST:PORT of /livez")
	truth(&told.EnableOwnerRef, "enable-certificate-owner-ref", "a secret ends with its certificate")
	utilfeature.DefaultMutableFeatureGate.AddFlag(set)
	logf.AddFlags(&told.logging, set)
	err := set.Parse(arguments)
	told.DNS01CheckAuthoritative = !told.onlyRecursive
	return err
}
